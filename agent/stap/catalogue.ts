// The SystemTap scripts that come with perftrawl: what there is, and which variant fits a host.
import { createHash } from 'node:crypto';
import type { ScriptInfo, ScriptVariant } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import { CATALOGUE_TEXTS } from './generated/catalogue-texts.js';
import { type HeaderParameter, type Need, parseNeed, readScriptHeader } from './script-header.js';
import { parameterText } from './script-parameters.js';

/** What a host must be asked. */
export interface HostProbes {
  /** As in `uname -r`. */
  readonly kernelRelease: string;
  /** vmlinux with DWARF for that release. */
  readonly hasDebuginfo: boolean;
  /** A function of the kernel, by its exact name. */
  hasSymbol(name: string): boolean;
  hasTracepoint(system: string, name: string): boolean;
}

export interface CatalogueVariant extends ScriptVariant {
  /** `-D` options that it is compiled with, such as `MAXACTION=20000`. */
  readonly defines: readonly string[];
}

/** A script with what its module is made and started from; `scriptInfo` is what others are told. */
export interface CatalogueEntry extends ScriptInfo {
  readonly parameters: readonly HeaderParameter[];
  readonly variants: readonly CatalogueVariant[];
}

export type VariantChoice =
  | { readonly fits: true; readonly variant: CatalogueVariant }
  /** What each variant misses here, in words. */
  | {
      readonly fits: false;
      readonly missing: readonly { readonly variant: string; readonly reasons: readonly string[] }[];
    };

let loaded: readonly CatalogueEntry[] | undefined;

/** All scripts, by name. Read when first asked for. */
export function catalogue(): readonly CatalogueEntry[] {
  loaded ??= readCatalogue(CATALOGUE_TEXTS);
  return loaded;
}

/** @throws FailureError `not-found` */
export function catalogueScript(name: string): CatalogueEntry {
  const script = catalogue().find((entry) => entry.name === name);
  if (script !== undefined) return script;
  const names = catalogue().map((entry) => entry.name);
  const shown = JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}…` : name);
  throw fail('not-found', `the catalogue has no script ${shown}`, `there are: ${names.join(', ')}`);
}

/** The script as it is told to others; what a parameter takes is part of its doc. */
export function scriptInfo({ name, summary, doc, parameters, variants, testedOn, cost }: CatalogueEntry): ScriptInfo {
  return {
    name,
    summary,
    doc,
    parameters: parameters.map((parameter) => ({
      name: parameter.name,
      type: parameter.type,
      default: parameter.default,
      unit: parameter.unit,
      doc: `${parameter.doc} (${parameterText(parameter)})`,
    })),
    variants: variants.map(({ defines: _, ...variant }) => variant),
    testedOn,
    cost,
  };
}

/** The first variant that has all it needs on the host. */
export function variantFor(script: CatalogueEntry, host: HostProbes): VariantChoice {
  const missing: { variant: string; reasons: string[] }[] = [];
  for (const variant of script.variants) {
    const reasons = variant.needs.flatMap((need) => reasonAgainst(parseNeed(need, script.name), host));
    if (reasons.length === 0) return { fits: true, variant };
    missing.push({ variant: variant.name, reasons });
  }
  return { fits: false, missing };
}

/** What is missing, or []. */
function reasonAgainst(need: Need, host: HostProbes): string[] {
  switch (need.kind) {
    case 'debuginfo':
      return host.hasDebuginfo ? [] : [`no debuginfo (vmlinux with DWARF) of kernel ${host.kernelRelease}`];
    case 'kprobe':
      if (need.symbols.some((symbol) => host.hasSymbol(symbol))) return [];
      return [`the kernel ${host.kernelRelease} has no function ${need.symbols.join(' or ')}`];
    case 'tracepoint':
      if (host.hasTracepoint(need.system, need.name)) return [];
      return [`the kernel ${host.kernelRelease} has no tracepoint ${need.system}:${need.name}`];
    case 'kernel': {
      const [, major, minor] = /^(\d+)\.(\d+)/.exec(host.kernelRelease) ?? [];
      const isNewer = Number(major) > need.major || (Number(major) === need.major && Number(minor) >= need.minor);
      return isNewer ? [] : [`the kernel ${host.kernelRelease} is older than ${need.major}.${need.minor}`];
    }
  }
}

/**
 * NAME.stp has the header of the script and its first variant; the others are NAME.VARIANT.stp.
 *
 * @throws Error for a file that is missing, left over, or has a broken header: a defect of the catalogue
 */
export function readCatalogue(texts: readonly (readonly [file: string, text: string])[]): readonly CatalogueEntry[] {
  const left = new Map(texts);
  const take = (file: string) => {
    const text = left.get(file);
    if (text === undefined) throw new Error(`the catalogue has no file ${file}`);
    left.delete(file);
    return text;
  };
  const mains = texts.map(([file]) => file).filter((file) => /^[a-z0-9-]+\.stp$/.test(file));
  const entries = mains.map((file) => readEntry(file, take));
  const [extra] = left.keys();
  if (extra !== undefined) throw new Error(`no script of the catalogue names ${extra} as its variant`);
  return entries;
}

function readEntry(file: string, take: (file: string) => string): CatalogueEntry {
  const name = file.replace(/\.stp$/, '');
  const text = take(file);
  const header = readScriptHeader(file, text);
  const { summary, doc, parameters, testedOn, cost } = header;
  const variants = header.variants.map((variant, index) => {
    if (index === 0) return readVariant(file, variant, text);
    const other = `${name}.${variant}.stp`;
    return readVariant(other, variant, take(other));
  });
  return { name, summary, doc, parameters, variants, testedOn, cost };
}

function readVariant(file: string, name: string, text: string): CatalogueVariant {
  const { variantDoc, needs, defines } = readScriptHeader(file, text);
  return { name, doc: variantDoc, needs, defines, sha256: createHash('sha256').update(text).digest('hex'), text };
}
