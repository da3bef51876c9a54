// Every parser that takes bytes from outside. To add one: an entry in a file of targets/, which says where its bytes come from.
import type { FuzzTarget } from './target.js';
import { CONTROLLER_TARGETS } from './targets/controller-targets.js';
import { ENROLL_TARGETS } from './targets/enroll-targets.js';
import { HOST_TARGETS } from './targets/host-targets.js';
import { HTTP_TARGETS } from './targets/http-targets.js';
import { PERF_TARGETS } from './targets/perf-targets.js';
import { SSH_TARGETS } from './targets/ssh-targets.js';
import { STAP_TARGETS } from './targets/stap-targets.js';
import { SYMBOL_TARGETS } from './targets/symbol-targets.js';
import { TRUST_TARGETS } from './targets/trust-targets.js';
import { WIRE_TARGETS } from './targets/wire-targets.js';

export const TARGETS: readonly FuzzTarget[] = [
  ...PERF_TARGETS,
  ...SYMBOL_TARGETS,
  ...STAP_TARGETS,
  ...HOST_TARGETS,
  ...WIRE_TARGETS,
  ...CONTROLLER_TARGETS,
  ...ENROLL_TARGETS,
  ...SSH_TARGETS,
  ...HTTP_TARGETS,
  ...TRUST_TARGETS,
];
