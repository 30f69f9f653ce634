/** The registry of tasks: one line each. The first that recognizes a model is proposed for it. */
import type { Task } from '../task.ts';
import { imageClassification } from './image-classification/image-classification.ts';

export const tasks: readonly Task[] = [
  imageClassification,
];
