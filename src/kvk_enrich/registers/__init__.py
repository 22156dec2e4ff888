"""The services that know companies: one interface, one file per service."""
