// Which text a spec means on this host, and what its module is told when it runs.
import type { CatalogueScript, StapPlan, StapSpec } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import { kernelBuildId } from '../host/kernel-build-id.js';
import type { Machine } from '../host/machine.js';
import {
  type CatalogueEntry,
  type CatalogueVariant,
  catalogueScript,
  type HostProbes,
  variantFor,
} from './catalogue.js';
import { KernelSymbols } from './host-probes.js';
import { findDebuginfo } from './kernel-files.js';
import { parameterArguments } from './script-parameters.js';
import { ownGlobals, ownScript, type StapScript } from './stap-script.js';

export interface ChosenScript {
  readonly script: StapScript;
  /**
   * Module parameters, `name=value`, once the processes are known; none: the whole system.
   * @throws FailureError `bad-request` for processes that the script cannot be bound to
   */
  globals(pids: readonly number[]): string[];
}

/** Parameters that the agent gives; a person says them by options of their own. */
const OWN_PARAMETERS: Readonly<Record<string, string>> = {
  interval: '--interval',
  duration: '--for',
  pids: '--pid or another process selector',
};
/** What a string of SystemTap holds. */
const MAX_PIDS_BYTES = 511;

/**
 * @param symbols of the running kernel, where they were read already
 * @throws FailureError `not-found` for a script that is not there, `bad-request` for wrong parameters, `refused` when no variant fits
 */
export function chooseScript(
  machine: Machine,
  spec: StapSpec,
  symbols = new KernelSymbols(machine.files),
): ChosenScript {
  const { script, module } = spec;
  if (script.from === 'request') {
    return { script: ownScript(script), globals: (pids) => ownGlobals(script, spec.duration, pids) };
  }
  const entry = catalogueScript(script.name);
  checkParameters(entry, script);
  // A module was chosen by whoever had it made.
  const variant = module === undefined ? fittingVariant(machine, entry, symbols) : variantNamed(entry, module.variant);
  return { script: compiledScript(entry, variant), globals: (pids) => catalogueGlobals(entry, script, spec, pids) };
}

/** What is wrong on any host. @throws FailureError `not-found` for a script that is not there, `bad-request` for wrong parameters */
export function checkScript({ script }: StapSpec): void {
  if (script.from === 'catalogue') checkParameters(catalogueScript(script.name), script);
}

/** The script that a host's preflight chose, to be compiled here. @throws FailureError `conflict` when this perftrawl has another text */
export function scriptOfPlan({ script }: StapSpec, plan: StapPlan): StapScript {
  if (script.from === 'request') return ownScript(script);
  const entry = catalogueScript(script.name);
  const chosen = compiledScript(entry, variantNamed(entry, plan.variant));
  if (chosen.sha256 === plan.scriptSha256) return chosen;
  throw fail(
    'conflict',
    `the script ${script.name} of this host's catalogue is another than that of the host it is for`,
    'have the same version of perftrawl on both',
  );
}

function variantNamed(entry: CatalogueEntry, name: string): CatalogueVariant {
  const variant = entry.variants.find((known) => known.name === name);
  if (variant !== undefined) return variant;
  throw fail(
    'not-found',
    `the script ${entry.name} has no variant ${JSON.stringify(name.slice(0, 60))} here`,
    'update perftrawl',
  );
}

/** With debuginfo only where nothing else will do: it may be on the host that compiles. */
function fittingVariant(
  { files, distribution }: Machine,
  entry: CatalogueEntry,
  symbols: KernelSymbols,
): CatalogueVariant {
  const { kernelRelease } = distribution;
  const probes = (hasDebuginfo: () => boolean): HostProbes => ({
    kernelRelease,
    get hasDebuginfo() {
      return hasDebuginfo();
    },
    hasSymbol: (name) => symbols.hasSymbol(name),
    hasTracepoint: (system, name) => symbols.hasTracepoint(system, name),
  });
  const here = () => findDebuginfo(files, kernelRelease, kernelBuildId(files)) !== undefined;
  const choice = variantFor(
    entry,
    probes(() => here()),
  );
  if (choice.fits) return choice.variant;
  const elsewhere = variantFor(
    entry,
    probes(() => true),
  );
  if (elsewhere.fits) return elsewhere.variant;
  const reasons = elsewhere.missing.map(({ variant, reasons: list }) => `${variant}: ${list.join(', ')}`);
  throw fail(
    'refused',
    `no variant of ${entry.name} fits this host (${reasons.join('; ')})`,
    `see \`perftrawl stap show ${entry.name}\` for what it needs`,
  );
}

function compiledScript({ name }: CatalogueEntry, variant: CatalogueVariant): StapScript {
  const { text, sha256, defines, needs } = variant;
  return {
    name,
    variant: variant.name,
    text,
    sha256,
    defines,
    companion: '',
    arguments: [],
    isGuru: false,
    needsDebuginfo: needs.includes('debuginfo'),
  };
}

function checkParameters(entry: CatalogueEntry, { parameters }: CatalogueScript): void {
  const own = Object.keys(parameters).find((name) => Object.hasOwn(OWN_PARAMETERS, name));
  if (own !== undefined) {
    throw fail(
      'bad-request',
      `${entry.name} gets its ${own} from the capture`,
      `give ${OWN_PARAMETERS[own]} in its place`,
    );
  }
  parameterArguments(entry, parameters);
}

function catalogueGlobals(
  entry: CatalogueEntry,
  { parameters }: CatalogueScript,
  { duration, interval }: StapSpec,
  pids: readonly number[],
): string[] {
  const given: Record<string, string> = {
    ...parameters,
    duration: `${Math.ceil(duration)}ms`,
    interval: interval === 0 ? '0' : `${interval}ms`,
  };
  if (pids.length > 0) {
    if (!entry.parameters.some(({ name }) => name === 'pids')) {
      throw fail('bad-request', `${entry.name} cannot be bound to processes`, 'capture the whole system: --all');
    }
    given.pids = pids.join(',');
    if (given.pids.length > MAX_PIDS_BYTES) {
      throw fail(
        'bad-request',
        `${pids.length} processes are too many for a script`,
        'select fewer, or the whole system',
      );
    }
  }
  return parameterArguments(entry, given);
}
