// The inventory as a file of the user; where there is none, this machine alone.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fail } from '../../proto/failure.js';
import { type Inventory, localInventory, parseInventory } from './inventory.js';

/**
 * @param inventoryPath in place of `inventory.yaml` of the directory; this one has to be there
 * @throws FailureError 'not-found', 'permission', and those of parseInventory
 */
export async function readInventory(configDir: string, inventoryPath: string | undefined): Promise<Inventory> {
  const file = inventoryPath ?? path.join(configDir, 'inventory.yaml');
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    const isAbsent = cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR');
    if (isAbsent && inventoryPath === undefined) return localInventory;
    const message = cause instanceof Error ? cause.message : String(cause);
    throw fail(
      isAbsent ? 'not-found' : 'permission',
      `cannot read the inventory: ${message}`,
      'name another file',
      cause,
    );
  }
  return parseInventory(text, file);
}
