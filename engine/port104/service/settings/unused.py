"""Why keys of Clara's are accepted that do nothing."""

NO_EXPORT = "port104 does not export yet"
ONE_PROCESSOR = "port104 makes its jobs in one way"
NO_PLATFORM = "the Clara platform is gone"
