"""The order API, `/api/v1/`: a shop's own program makes orders and brings them on. Its guide is `api/API.md`."""
