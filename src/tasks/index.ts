/** The registry of tasks: one line each. Without a word in the config, the first that recognizes a model is its task. */
import type { Task } from '../task.ts';
import { fileClassification } from './file-classification/file-classification.ts';
import { imageClassification } from './image-classification/image-classification.ts';
import { objectDetection } from './object-detection/object-detection.ts';
import { opticalCharacterRecognition } from './optical-character-recognition/optical-character-recognition.ts';
import { tabularClassification } from './tabular-classification/tabular-classification.ts';
import { tabularRegression } from './tabular-regression/tabular-regression.ts';

export const tasks: readonly Task[] = [fileClassification, imageClassification, objectDetection, opticalCharacterRecognition, tabularClassification, tabularRegression];
