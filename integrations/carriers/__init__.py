"""What carriers tell of the shop's parcels: a signed POST each, described in `integrations/CARRIERS.md`."""
