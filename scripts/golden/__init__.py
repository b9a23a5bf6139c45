"""Golden files of other implementations' networks and strategies, made by those implementations themselves."""
