namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>In which format weights are kept after loading.</summary>
public enum WeightPrecision
{
    /// <summary>As the file stores them, mapped where possible: the least memory, for generating; such a model cannot be trained.</summary>
    AsStored,

    /// <summary>Raised to single precision in memory of their own: for training and editing.</summary>
    Single,
}
