"""What tests are made with: a clock that only moves when told, builders, servers, terminals."""
