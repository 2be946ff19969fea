namespace Kotonoha.LocalModel.Generation.Encoders;

/// <summary>Brings a vector to length one.</summary>
internal sealed class NormalizeStep : IEmbeddingStep
{
    /// <inheritdoc/>
    public int Outputs(int inputs) => inputs;

    /// <inheritdoc/>
    public float[] Apply(float[] vector)
    {
        Normalize(vector);
        return vector;
    }

    /// <summary>Brings a vector to length one; zeros stay.</summary>
    public static void Normalize(Span<float> vector)
    {
        double squares = 0;
        foreach (float x in vector)
            squares += (double)x * x;
        if (squares == 0)
            return;
        double factor = 1 / Math.Sqrt(squares);
        for (int c = 0; c < vector.Length; c++)
            vector[c] = (float)(vector[c] * factor);
    }
}
