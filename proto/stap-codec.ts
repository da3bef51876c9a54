// What belongs to SystemTap: specs, plans, the catalogue and modules; plain values to messages and back.
import type {
  ModulePart,
  ModuleUpload,
  ScriptInfo,
  ScriptParameter,
  ScriptVariant,
  StapPlan,
  StapSpec,
  Target,
} from './capture.js';
import { defined, oneOf } from './defined.js';
import { fail } from './failure.js';
import type { perftrawl } from './generated/perftrawl.js';

type V1 = typeof perftrawl.v1;
type Props<K extends keyof V1> = V1[K] extends { encode(message: infer P, ...rest: never[]): unknown } ? P : never;

/** `putModule` takes parts of at most this many bytes. */
export const MAX_MODULE_PART_BYTES = 512 * 1024;
/** No module of a script is larger than this. */
export const MAX_MODULE_BYTES = 64 * 1024 * 1024;

/** Without target and duration, which the CaptureSpec around it has. */
export function stapToMessage(spec: StapSpec): Props<'StapSpec'> {
  const { script, command, module } = spec;
  return {
    intervalMs: spec.interval,
    ...(script.from === 'catalogue'
      ? { catalogue: { name: script.name, parameters: { ...script.parameters } } }
      : { own: { name: script.name, text: script.text, arguments: [...script.arguments], isGuru: script.isGuru } }),
    ...(command === undefined ? {} : { command: [...command] }),
    overheadPercent: spec.overheadPercent,
    ...(module === undefined ? {} : { module: { ...module } }),
    keepRaw: spec.keepRaw,
  };
}

export function stapFromMessage(message: Props<'StapSpec'>, target: Target, duration: number): StapSpec {
  const { command, module } = message;
  return {
    kind: 'stap',
    target,
    duration,
    interval: message.intervalMs ?? 0,
    script: scriptFromMessage(message),
    ...(command && command.length > 0 ? { command } : {}),
    overheadPercent: message.overheadPercent ?? 0,
    ...(module
      ? { module: { sha256: module.sha256 ?? '', size: module.size ?? 0, variant: module.variant ?? '' } }
      : {}),
    keepRaw: message.keepRaw ?? false,
  };
}

function scriptFromMessage({ catalogue, own }: Props<'StapSpec'>): StapSpec['script'] {
  if (catalogue) return { from: 'catalogue', name: catalogue.name ?? '', parameters: { ...catalogue.parameters } };
  if (own) {
    const { name = '', text = '', isGuru = false } = defined(own);
    return { from: 'request', name, text, arguments: own.arguments ?? [], isGuru };
  }
  throw fail('bad-request', 'the stap spec names no script that this version knows');
}

export function planFromMessage(message: Props<'StapPlan'>): StapPlan {
  const { script = '', variant = '', scriptSha256 = '', kernelRelease = '', kernelBuildId = '' } = defined(message);
  const { machine = '', canCompile = false, canRun = false } = defined(message);
  return { script, variant, scriptSha256, kernelRelease, kernelBuildId, machine, canCompile, canRun };
}

export function scriptToMessage(script: ScriptInfo): Props<'ScriptInfo'> {
  return {
    name: script.name,
    summary: script.summary,
    doc: script.doc,
    parameters: script.parameters.map(({ default: defaultText, ...same }) => ({ ...same, defaultText })),
    variants: script.variants.map((variant) => ({ ...variant, needs: [...variant.needs] })),
    testedOn: [...script.testedOn],
    cost: script.cost,
  };
}

export function scriptFromInfoMessage(message: Props<'ScriptInfo'>): ScriptInfo {
  const { name = '', summary = '', doc = '', cost = '' } = defined(message);
  return {
    name,
    summary,
    doc,
    parameters: (message.parameters ?? []).map(parameterFromMessage),
    variants: (message.variants ?? []).map(variantFromMessage),
    testedOn: message.testedOn ?? [],
    cost,
  };
}

function parameterFromMessage(message: Props<'ScriptParameter'>): ScriptParameter {
  const { name = '', type = '', defaultText = '', unit = '', doc = '' } = defined(message);
  return {
    name,
    type: oneOf(['integer', 'text', 'duration'] as const, type, 'type of a parameter'),
    default: defaultText,
    unit,
    doc,
  };
}

function variantFromMessage(message: Props<'ScriptVariant'>): ScriptVariant {
  const { name = '', doc = '', sha256 = '', text = '' } = defined(message);
  return { name, doc, needs: message.needs ?? [], sha256, text };
}

export function modulePartFromMessage({ data, sha256, size }: Props<'ModulePart'>): ModulePart {
  return { data: data ?? new Uint8Array(), ...(sha256 ? { end: { sha256, size: size ?? 0 } } : {}) };
}

export function uploadFromMessage(message: Props<'PutModuleRequest'>): ModuleUpload {
  const { sha256 = '', size = 0, offset = 0 } = defined(message);
  return { sha256, size, offset, data: message.data ?? new Uint8Array() };
}
