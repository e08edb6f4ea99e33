"""Drawing: from a view and a size to lines of styled pieces. Pure functions; no widget is touched here."""
