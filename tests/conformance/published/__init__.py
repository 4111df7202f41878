"""What schemathesis is told for its walks over the published OpenAPI documents."""
