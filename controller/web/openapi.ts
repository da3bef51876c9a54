// The API described for machines: an OpenAPI 3.1 document out of the same table and schemas that the server checks with.
import { z } from 'zod';
import { KEY_HEADER, keySchema } from '../http-api/idempotency-key.js';
import { LEAST_ROLE, partsOf, ROUTES, type Route } from '../http-api/routes.js';
import { type Endpoint, endpoint, json } from './endpoint.js';

type Endpoints = Readonly<Record<Route, Endpoint>>;

export function describeApi(version: string, endpoints: () => Endpoints): Record<'GET /v1/openapi.json', Endpoint> {
  return {
    'GET /v1/openapi.json': endpoint({
      summary: 'This description.',
      answer: async () => json(openApi(version, endpoints())),
    }),
  };
}

function openApi(version: string, endpoints: Endpoints): unknown {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of ROUTES) {
    const { method, path } = partsOf(route);
    const name = path.replace(/:([a-z]+)/g, '{$1}');
    paths[name] ??= {};
    paths[name][method.toLowerCase()] = operation(route, endpoints[route]);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'perftrawl', version },
    security: [{ token: [] }, { certificate: [] }],
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' }, certificate: { type: 'mutualTLS' } },
      responses: {
        failure: { description: 'A failure: its code, what happened, what to try.', content: jsonContent(failure) },
      },
    },
    paths,
  };
}

const failure = z.object({ error: z.object({ code: z.string(), message: z.string(), remedy: z.string() }) });

function operation(route: Route, { summary, parameters, query, body, takesKey }: Endpoint): unknown {
  return {
    summary,
    description: `Least role: ${LEAST_ROLE[route]}.`,
    parameters: [...fieldsOf(parameters, 'path'), ...fieldsOf(query, 'query'), ...(takesKey ? [keyParameter()] : [])],
    ...(body === undefined ? {} : { requestBody: { required: true, content: jsonContent(body) } }),
    responses: { 200: { description: summary }, default: { $ref: '#/components/responses/failure' } },
  };
}

function keyParameter(): unknown {
  const { description, $schema: _same, ...schema } = schemaOf(keySchema);
  return { name: KEY_HEADER, in: 'header', required: false, description, schema };
}

function jsonContent(schema: z.ZodType): unknown {
  return { 'application/json': { schema: schemaOf(schema) } };
}

function fieldsOf(schema: z.ZodType, place: 'path' | 'query'): unknown[] {
  const { properties = {}, required = [] } = schemaOf(schema);
  return Object.entries(properties).map(([name, field]) => ({
    ...{ name, in: place, required: place === 'path' || required.includes(name), schema: field },
  }));
}

/** As clients write it: fields with a default may be left out. */
function schemaOf(schema: z.ZodType) {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', target: 'draft-2020-12' });
}
