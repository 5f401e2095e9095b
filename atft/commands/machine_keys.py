"""Keys of a training configuration that say where and how fast a run trains, not what it trains."""

MACHINE_KEYS = (
    *("name", "threads", "ckpt_path", "config", "data.cache.dir", "data.loader.num_workers"),
    *("data.loader.residency", "trainer.default_root_dir", "trainer.accelerator", "trainer.devices"),
    *("trainer.num_nodes", "trainer.logger", "trainer.enable_progress_bar", "trainer.enable_model_summary"),
    "trainer.log_every_n_steps",
)
