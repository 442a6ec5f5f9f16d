"""The outbox: its rows, their attempts and kinds, and how the staff see them."""
