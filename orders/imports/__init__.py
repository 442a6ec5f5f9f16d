"""Orders and customers from a spreadsheet: all of them or none, seen before they are made, and made once."""
