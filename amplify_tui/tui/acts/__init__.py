"""What the keys do, one function an act, grouped by what they are about."""
