// Lines of a script's output as a compressed blob of columns.
import { z } from 'zod';
import type { TextLine } from '../../profile/text-line.js';
import { packJson, RowReader, TextRows, unpackJson } from './packed-json.js';

const numbers = z.array(z.number());
const columnsSchema = z.object({
  texts: z.array(z.string()),
  /** One entry per line: */
  time: numbers,
  number: numbers,
  /** 1 for stderr. */
  isError: numbers,
  text: numbers,
});

export function encodeText(lines: readonly TextLine[]): Uint8Array {
  const rows = new TextRows();
  return packJson({
    time: lines.map(({ time }) => time),
    number: lines.map(({ number }) => number),
    isError: lines.map(({ stream }) => (stream === 'stderr' ? 1 : 0)),
    text: lines.map(({ text }) => rows.row(text)),
    texts: rows.texts(),
  });
}

/** @throws FailureError 'bad-data' */
export function decodeText(data: Uint8Array, where: string): TextLine[] {
  const { texts, time, number, isError, text } = unpackJson(data, columnsSchema, where);
  const rows = new RowReader(where);
  rows.checkLength(time.length, [number, isError, text]);
  return time.map((at, i) => ({
    time: at,
    number: number[i],
    stream: isError[i] === 1 ? 'stderr' : 'stdout',
    text: rows.at(texts, text[i]),
  }));
}
