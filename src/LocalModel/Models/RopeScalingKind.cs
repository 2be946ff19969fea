namespace Kotonoha.LocalModel.Models;

/// <summary>How a model's rotary frequencies are stretched past the context that it was trained on.</summary>
public enum RopeScalingKind
{
    /// <summary><c>linear</c>: all frequencies are divided by the factor (arXiv:2306.15595).</summary>
    Linear,

    /// <summary><c>dynamic</c>: past the trained context the base grows with the length of the sequence (NTK-aware).</summary>
    Dynamic,

    /// <summary><c>llama3</c>: low frequencies are divided by the factor, high ones stay, those between are blended.</summary>
    Llama3,

    /// <summary><c>yarn</c>: as llama3 with a ramp over the pairs, and a factor on cosines and sines (arXiv:2309.00071).</summary>
    Yarn,

    /// <summary><c>longrope</c>: each pair has its own divisor, one list for short and one for long sequences (arXiv:2402.13753).</summary>
    LongRope,
}
