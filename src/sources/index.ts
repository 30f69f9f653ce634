/** The registry of sources, one line each; registries of images are put beside them by the commands. */
import type { Source } from '../source.ts';
import { file } from './file/file.ts';
import { http, https } from './http/http.ts';
import { huggingFace } from './hugging-face/hugging-face.ts';
import { npm } from './npm/npm.ts';
import { pypi } from './pypi/pypi.ts';
import { s3 } from './s3/s3.ts';

export const sources: readonly Source[] = [file, http, https, huggingFace, npm, pypi, s3];
