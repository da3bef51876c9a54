// The route that Alertmanager, Grafana and others of that shape post alerts to.
import { z } from 'zod';
import type { Audit } from '../../audit/audit.js';
import { audited } from '../../audit/audited-app.js';
import type { Alert, AlertAnswer } from '../../schedule/alerts.js';
import { type Endpoint, endpoint, json } from '../endpoint.js';
import type { QueueDispatch } from '../queue-dispatch.js';

export interface AlertEndpointTools {
  readonly answerAlerts: (alerts: readonly Alert[]) => Promise<readonly AlertAnswer[]>;
  readonly dispatch: Pick<QueueDispatch, 'look'>;
  /** Where is written down what goes past the app. */
  readonly audit: Audit;
}

const labels = z.record(z.string().max(1024), z.string().max(4096)).refine((all) => Object.keys(all).length <= 128);

/** Version 4 of the webhook; senders add fields of their own, which play no part. */
const message = z.looseObject({
  alerts: z.array(z.looseObject({ status: z.enum(['firing', 'resolved']), labels })).max(1000),
});

export function alertEndpoint({
  answerAlerts,
  dispatch,
  audit,
}: AlertEndpointTools): Record<'POST /v1/alerts', Endpoint> {
  return {
    'POST /v1/alerts': endpoint({
      summary: 'Alerts as Alertmanager posts them: schedules that are for them start jobs on the hosts that they name.',
      body: message,
      answer: async ({ body }, { actor }) => {
        const firing = body.alerts.filter(({ status }) => status === 'firing');
        const names = [...new Set(firing.map((alert) => alert.labels.alertname ?? ''))].slice(0, 50);
        const entry = { ...actor, what: 'receive-alerts', detail: { firing: firing.length, names } } as const;
        const answers = firing.length === 0 ? [] : await audited(audit, entry, () => answerAlerts(firing));
        await dispatch.look();
        return json({ answers });
      },
    }),
  };
}
