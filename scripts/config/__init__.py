"""From a Hydra config to a run: `composed`, checked by the code it names (`schema`), measured (`needs`), built (`run`).

Nothing is imported here: `schema` has to be there before torch is.
"""
