"""The shop's numbers: the instances at the gateway, their holds, and how their way back is counted."""
