"use strict";

SwaggerUIBundle({
  dom_id: "#swagger-ui",
  url: "openapi.json",
  validatorUrl: null,
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  persistAuthorization: false,
});
