// Agents that were not let in, written into the audit log: a few of each, then one now and again, so that nobody fills it by trying.
import { type Failure, toFailure } from '../../proto/failure.js';
import type { Audit } from '../audit/audit.js';
import { AttemptLimit } from './attempt-limit.js';

export interface RefusedAgent {
  /** As far as TLS has proved it; '' when it has not. */
  readonly who: string;
  readonly remoteAddress: string;
  readonly failure: Failure;
}

export interface RefusalAuditOptions {
  readonly audit: Audit;
  /** Milliseconds since 1970 UTC. */
  readonly now: () => number;
  readonly log: (text: string) => void;
}

/** Of one name at one address: an agent that was refused tries again each minute. */
const OF_ONE = { burst: 3, refill: 600_000, addresses: 10_000 };
const OF_ALL = { burst: 30, refill: 10_000, addresses: 1 };

export function refusalAudit({ audit, now, log }: RefusalAuditOptions): (refused: RefusedAgent) => void {
  const ofOne = new AttemptLimit(now, OF_ONE);
  const ofAll = new AttemptLimit(now, OF_ALL);
  return ({ who, remoteAddress, failure }) => {
    const key = `${who} ${remoteAddress}`;
    if (ofOne.wait(key) > 0 || ofAll.wait('') > 0) return;
    ofOne.failed(key);
    ofAll.failed('');
    audit.append({ who, what: 'refused', from: remoteAddress, failure }).catch((error: unknown) => {
      log(`cannot write down that an agent was refused: ${toFailure(error).message}`);
    });
  };
}
