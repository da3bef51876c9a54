// agent/stap/scripts/*.stp -> agent/stap/generated/catalogue-texts.ts: each script with its parts, as text in the program. Plain Node.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const agent = join(dirname(dirname(fileURLToPath(import.meta.url))), 'agent', 'stap');
const scripts = join(agent, 'scripts');
const generated = join(agent, 'generated');

/** The file's text, then those of the parts that its line `// parts: a b` names, from scripts/parts. */
function completeText(file) {
  const text = readFileSync(join(scripts, file), 'utf8');
  const parts = /^\/\/ parts: (.*)$/m.exec(text)?.[1].trim().split(/\s+/) ?? [];
  return text + parts.map((part) => readFileSync(join(scripts, 'parts', `${part}.stp`), 'utf8')).join('');
}

/** Write the generated module. */
export function writeCatalogueTexts() {
  const files = readdirSync(scripts)
    .filter((name) => name.endsWith('.stp'))
    .sort();
  const entries = files.map((file) => `  [${JSON.stringify(file)}, ${JSON.stringify(completeText(file))}],`);
  mkdirSync(generated, { recursive: true });
  writeFileSync(
    join(generated, 'catalogue-texts.ts'),
    `// Made by bin/stap-catalogue.mjs from agent/stap/scripts.\nexport const CATALOGUE_TEXTS: readonly (readonly [file: string, text: string])[] = [\n${entries.join('\n')}\n];\n`,
  );
}
