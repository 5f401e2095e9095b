"""The LightningModules and the LightningDataModule: where data, network, losses and metrics meet."""
