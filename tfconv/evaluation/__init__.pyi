"""Scores of a trained classifier, its report, and its answers to raw sentences."""

from .diagnosis import read_curves as read_curves
from .figures import confusion_figure as confusion_figure
from .figures import pr_curve_figure as pr_curve_figure
from .figures import roc_curve_figure as roc_curve_figure
from .metrics import auc as auc
from .metrics import average_precision as average_precision
from .metrics import binary_metrics as binary_metrics
from .metrics import class_scores as class_scores
from .metrics import confusion_matrix as confusion_matrix
from .metrics import label_scores as label_scores
from .metrics import many_class_metrics as many_class_metrics
from .metrics import multi_label_metrics as multi_label_metrics
from .metrics import pr_curve as pr_curve
from .metrics import probabilities as probabilities
from .metrics import roc_curve as roc_curve
from .metrics import threshold_counts as threshold_counts
from .prediction import Prediction as Prediction
from .prediction import Predictor as Predictor
from .prediction import predict as predict
from .reports import labels_and_logits as labels_and_logits
from .reports import print_scores as print_scores
from .reports import report as report
from .reports import write_pr_summaries as write_pr_summaries
