"""Where the embedded servers of development and tests are found. Pure: `flowlog.devtools` has the servers."""
