namespace Kotonoha.LocalModel.Tensors;

/// <summary>The numbers of one AdamW step that are the same for every element of a tensor.</summary>
/// <param name="GradientScale">What every gradient is multiplied by first (gradient clipping).</param>
/// <param name="OneMinusBeta1">1 − β1.</param>
/// <param name="Beta2">β2.</param>
/// <param name="OneMinusBeta2">1 − β2.</param>
/// <param name="InverseSquareRootCorrection2">1 / sqrt(1 − β2^t).</param>
/// <param name="Epsilon">ε.</param>
/// <param name="StepSize">Learning rate / (1 − β1^t).</param>
/// <param name="Decay">1 − learning rate · weight decay.</param>
internal readonly record struct AdamWFactors(
    float GradientScale, float OneMinusBeta1, float Beta2, float OneMinusBeta2, float InverseSquareRootCorrection2, float Epsilon,
    float StepSize, float Decay);
