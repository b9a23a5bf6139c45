"""Golden files of other implementations' networks, made by those implementations themselves."""
