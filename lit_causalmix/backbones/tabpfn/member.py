"""What the package `tabpfn` does to a table before its network, for one view of it.

These are the package's own steps, in the order of `TabPFNRegressor.fit` with one estimator:
columns are told apart, categories coded, columns transformed and shuffled, a fingerprint and
principal components added. Everything is learned from the context rows, without any gradient.

Shape legend: R = context rows, Q = query rows, C = columns, P = columns behind preprocessing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lit_causalmix.backbones.extras import needed

RANDOM_STATE = 0
"""The package's default; governs the shuffling of columns and classes."""


@dataclass(frozen=True, eq=False)
class Member:
    """A table's context as the network sees it, and what query rows go through.

    Attributes:
        y: float32 (R,), what the network reads as the target.
        class_order: int64 (K,), place in the network's output of each class; None in regression.
        fitted: The package's ensemble member.
        encoder: The package's coder of categories.
        categorical: Columns that it codes.
        passthrough_inf: Whether the package hands infinities to the network.
    """

    y: Tensor
    class_order: Tensor | None
    fitted: Any
    encoder: Any
    categorical: list[int]
    passthrough_inf: bool

    def rows(self, x_query: Tensor) -> tuple[Tensor, list[int]]:
        """Context and query rows behind preprocessing.

        Args:
            x_query: float (Q, C), NaN where missing.

        Returns:
            float32 (R + Q, P) on the device of `x_query`, and which columns hold categories.
        """
        query = needed("tabpfn.preprocessing.clean", extra="tabpfn").clean_data_transform(
            as_array(x_query),
            cat_indices=self.categorical,
            ord_encoder=self.encoder,
            passthrough_inf=self.passthrough_inf,
        )
        member = self.fitted
        both = [np.asarray(member.X_train), np.asarray(member.transform_X_test(query))]
        x = torch.as_tensor(np.concatenate(both), dtype=torch.float32, device=x_query.device)
        schema = member.feature_schema
        if member.gpu_preprocessor is not None:
            n_context = len(both[0])
            done = member.gpu_preprocessor(
                x[:, None], feature_schema=schema, num_train_rows=n_context, use_fitted_cache=False
            )
            x, schema = done.x[:, 0], done.feature_schema
        return x, schema.indices_for(_modality().CATEGORICAL)


def as_array(x: Tensor) -> NDArray[np.float64]:
    """Rows as the package reads them: float64, infinities as gaps [our choice; it refuses them]."""
    rows = x.detach().double().cpu().numpy()
    return np.where(np.isfinite(rows), rows, np.nan)


def _modality() -> Any:
    return needed("tabpfn.preprocessing.datamodel", extra="tabpfn").FeatureModality


def fit_member(
    x_context: Tensor, y: Tensor, categorical: Tensor, config: Any, *, n_classes: int
) -> Member:
    """Fits the package's preprocessing to a context.

    Args:
        x_context: float (R, C), NaN where missing.
        y: Targets as the network reads them: float (R,) standardised, or class numbers from 0
            without holes.
        categorical: bool (C,).
        config: The package's `InferenceConfig`.
        n_classes: Number of classes in `y`; 0 for regression.
    """
    ensemble = needed("tabpfn.preprocessing.ensemble", extra="tabpfn")
    methods = needed("tabpfn.preprocessing", extra="tabpfn")
    x = as_array(x_context)
    schema = needed(
        "tabpfn.preprocessing.modality_detection", extra="tabpfn"
    ).detect_feature_modalities(
        x,
        None,
        provided_categorical_indices=torch.nonzero(categorical)[:, 0].tolist(),
        min_samples_for_inference=config.MIN_NUMBER_SAMPLES_FOR_CATEGORICAL_INFERENCE,
        max_unique_for_category=config.MAX_UNIQUE_FOR_CATEGORICAL_FEATURES,
        min_unique_for_numerical=config.MIN_UNIQUE_FOR_NUMERICAL_FEATURES,
        min_cardinality_for_text=config.MIN_CARDINALITY_FOR_TEXT,
    )
    x, encoder, schema = needed("tabpfn.preprocessing.clean", extra="tabpfn").clean_data(
        x, schema, passthrough_inf=config.PASSTHROUGH_INF
    )
    target = y.detach().cpu().numpy()
    preprocessor = ensemble.TabPFNEnsemblePreprocessor(
        configs=_configs(config, n_classes),
        n_samples=len(x),
        feature_schema=schema,
        random_state=RANDOM_STATE,
        n_preprocessing_jobs=1,
        enable_gpu_preprocessing=config.ENABLE_GPU_PREPROCESSING,
        feature_subsampling_method=methods.FeatureSubsamplingMethod(
            config.FEATURE_SUBSAMPLING_METHOD
        ),
        constant_feature_count=config.FEATURE_SUBSAMPLING_CONSTANT_FEATURE_COUNT,
        importance_top_k_count=config.FEATURE_SUBSAMPLING_IMPORTANCE_TOP_K_COUNT,
        X_train=x,
        y_train=target,
        task_type="classifier" if n_classes else "regressor",
    )
    (fitted,) = preprocessor.fit_transform_ensemble_members(x, target)
    order = fitted.config.class_permutation if n_classes else None
    return Member(
        y=torch.as_tensor(np.asarray(fitted.y_train), dtype=torch.float32, device=x_context.device),
        class_order=None if order is None else torch.as_tensor(order, device=x_context.device),
        fitted=fitted,
        encoder=encoder,
        categorical=schema.indices_for(_modality().CATEGORICAL),
        passthrough_inf=config.PASSTHROUGH_INF,
    )


def _configs(config: Any, n_classes: int) -> Any:
    """The package's settings of the first estimator of its ensemble."""
    ensemble = needed("tabpfn.preprocessing.ensemble", extra="tabpfn")
    shared = {
        "num_estimators": 1,
        "add_fingerprint_feature": config.FINGERPRINT_FEATURE,
        "feature_shift_decoder": config.FEATURE_SHIFT_METHOD,
        "polynomial_features": config.POLYNOMIAL_FEATURES,
        "preprocessor_configs": config.PREPROCESS_TRANSFORMS,
        "random_state": RANDOM_STATE,
        "num_models": 1,
        "passthrough_inf": config.PASSTHROUGH_INF,
    }
    if n_classes:
        return ensemble.generate_classification_ensemble_configs(
            **shared,
            class_shift_method=config.CLASS_SHIFT_METHOD,
            n_classes=n_classes,
            outlier_removal_std=config.get_resolved_outlier_removal_std("classifier"),
        )
    # One estimator has the first target transformation, which in every release is none.
    return ensemble.generate_regression_ensemble_configs(
        **shared,
        target_transforms=[None],
        outlier_removal_std=config.get_resolved_outlier_removal_std("regressor"),
    )
