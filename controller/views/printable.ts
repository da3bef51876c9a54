// Names from other machines as harmless text: nothing that moves a cursor, ends a document or turns the reading direction.

/**
 * The text with each control character as its picture (`␛`, `␊`), and each lone surrogate, C1 control, noncharacter and
 * direction mark as `�`. What is left is valid in XML 1.0 (after escaping) and safe to print on a terminal.
 */
export function printable(text: string): string {
  if (/^[\u0020-\u007e]*$/.test(text)) return text;
  return text.replace(UNPRINTABLE, (char) => {
    const code = char.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? '\u2421' : '\ufffd';
  });
}

const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Bidi_Control}\u2028\u2029\ufffe\uffff]/gu;
