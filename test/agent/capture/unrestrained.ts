// The agents of tests take whatever comes: what they cost and how busy the machine is, the tests of budgets and admission look at.
import { DEFAULT_BUDGET, NO_LIMITS } from '../../../agent/capture/budget-limits.js';
import { NO_ADMISSION } from '../../../agent/host/admission.js';

export const UNRESTRAINED = { budget: { ...DEFAULT_BUDGET, standard: NO_LIMITS }, admission: NO_ADMISSION };
