// Random drawings of profiles, for properties that must hold of any.
import fc from 'fast-check';

/** Text for drawProfile, and the sum of its weights. Few names, so that stacks share frames, recurse and repeat. */
export function drawings(): fc.Arbitrary<{ text: string; weight: number }> {
  const frame = fc.oneof(
    fc.constantFrom('main', 'f', 'g', 'h', 'new Object', 'std::map<int>'),
    fc.constantFrom('f@/lib/a.so', 'read@[kernel.kallsyms]', '?0x10@/lib/a.so', '?0x20@-', 'g>f', 'f@/tmp/perf-7.map'),
  );
  const stack = fc.oneof(
    { weight: 9, arbitrary: fc.array(frame, { minLength: 1, maxLength: 12 }).map((frames) => frames.join(';')) },
    { weight: 1, arbitrary: fc.constant('-') },
  );
  const labels = fc.constantFrom('', '{comm=db host=a} ', '{comm=java_vm host=b pid=7 tid=9} ', '{host=a} ');
  const line = fc.record({ labels, stack, weight: fc.nat({ max: 1_000_000 }) });
  return fc.array(line, { maxLength: 30 }).map((drawn) => ({
    text: drawn.map((one) => `${one.labels}${one.stack} ${one.weight}/${Math.min(3, one.weight)}`).join('\n'),
    weight: drawn.reduce((sum, one) => sum + one.weight, 0),
  }));
}
