// The route that Prometheus scrapes.
import { type Endpoint, endpoint } from '../endpoint.js';
import type { Metrics } from '../metrics.js';

export function metricsEndpoint(metrics: Pick<Metrics, 'contentType' | 'text'>): Record<'GET /metrics', Endpoint> {
  return {
    'GET /metrics': endpoint({
      summary: 'What Prometheus scrapes, in its text format.',
      answer: async () => ({ kind: 'text', mediaType: metrics.contentType, text: await metrics.text() }),
    }),
  };
}
