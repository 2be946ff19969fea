namespace Kotonoha.LocalModel.Generation.Encoders;

/// <summary>A module of sentence-transformers after pooling.</summary>
internal interface IEmbeddingStep
{
    /// <summary>The components that come out when so many go in.</summary>
    int Outputs(int inputs);

    /// <summary>Changes a vector or makes a new one of it.</summary>
    float[] Apply(float[] vector);
}
