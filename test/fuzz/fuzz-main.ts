// `npm run fuzz -- --target NAME|all --inputs N --seed S`: prints what each target made of its inputs, and saves the input of each find
// in test/fuzz/corpus/TARGET/, where corpus.test.ts replays it ever after.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runCampaign } from './campaign.js';
import { minimise } from './minimise.js';
import { inputOf } from './mutate.js';
import { TARGETS } from './targets.js';

const USAGE = `usage: npm run fuzz -- [--target NAME|all] [--inputs N] [--from N] [--seed S]
  --target  one of: ${TARGETS.map(({ name }) => name).join(', ')}; default all
  --inputs  per target, default 10000
  --from    number of the first input, default 0: equal seed and number give the equal input
  --seed    default 1
examples: npm run fuzz -- --target elf --inputs 100000
          npm run fuzz -- --seed 7`;

export interface Places {
  /** The bundled worker-main. */
  readonly program: string;
  readonly corpus: string;
}

/** @returns exit status: 1 with finds, 2 for wrong words */
export async function fuzz(
  argv: readonly string[],
  { program, corpus }: Places,
  print: (line: string) => void,
): Promise<number> {
  const order = readOrder(argv);
  if (order === undefined) {
    print(USAGE);
    return 2;
  }
  const { seed, from, inputs } = order;
  let finds = 0;
  let total = 0;
  for (const target of TARGETS.filter(({ name }) => order.target === 'all' || order.target === name)) {
    const begun = performance.now();
    const result = await runCampaign({ program, target: target.name, seed, from, inputs, mostFinds: 10 });
    const seconds = Math.round((performance.now() - begun) / 1000);
    const seeds = target.seeds();
    const ran = result.taken + result.refused;
    total += ran;
    print(
      `${target.name.padEnd(22)} ${ran} inputs: ${result.taken} taken, ${result.refused} refused, ${result.finds.length} finds (${seconds} s)`,
    );
    for (const { index, what } of result.finds) {
      const input = inputOf(target, seeds, seed, index);
      const small = /^(slow|memory|hang|died)/.test(what) ? input : await minimise(target, input, what);
      const file = join(corpus, target.name, `${seed}-${index}.bin`);
      mkdirSync(join(corpus, target.name), { recursive: true });
      writeFileSync(file, small);
      print(`  ${what}\n    ${file} (${small.length} bytes)`);
    }
    finds += result.finds.length;
  }
  print(`${total} inputs, ${finds} finds`);
  return finds === 0 ? 0 : 1;
}

function readOrder(argv: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        target: { type: 'string', default: 'all' },
        inputs: { type: 'string', default: '10000' },
        from: { type: 'string', default: '0' },
        seed: { type: 'string', default: '1' },
      },
    });
    const [inputs, from, seed] = [values.inputs, values.from, values.seed].map(Number);
    const isKnown = values.target === 'all' || TARGETS.some(({ name }) => name === values.target);
    if (!isKnown || ![inputs, from, seed].every(Number.isSafeInteger) || inputs < 1 || from < 0) return undefined;
    return { target: values.target, inputs, from, seed };
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}
