import canonicalize from 'canonicalize';
import { present } from './assert.ts';

/** RFC 8785 canonical JSON. Values must be JSON: a function or a bare undefined is a fault. */
export const jcs = (value: unknown): string => present(canonicalize(value), 'canonical JSON');
