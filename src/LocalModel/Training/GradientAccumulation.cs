namespace Kotonoha.LocalModel.Training;

/// <summary>How the losses of the micro-batches of a step become its objective.</summary>
public enum GradientAccumulation
{
    /// <summary>The mean of the micro-batches' mean losses (nanoGPT).</summary>
    MeanOfMeans,

    /// <summary>The mean over all counted labels of the step, whichever micro-batch they are in.</summary>
    TokenWeighted,
}
