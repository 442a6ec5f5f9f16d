"""What the processes write down: where, in which form, and what never appears in it."""
