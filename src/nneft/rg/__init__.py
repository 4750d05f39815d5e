"""The flow from layer to layer: one state, one step, the driver and what is read off it."""
