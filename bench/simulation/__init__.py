"""What time-outs and fleets cost: the product's decisions, by a virtual clock."""
