using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Cpu;

/// <summary>The fast kernels, for one vector width. What is not here, or returns false, runs on the reference loops.</summary>
internal abstract unsafe class CpuKernels
{
    public abstract string Name { get; }

    public abstract void Gemm(ref GemmArguments arguments);

    /// <summary>A product with quantised weights, activations rounded to 8 bits.</summary>
    public abstract void Gemm(ref QuantizedArguments arguments);

    public abstract void ColumnSum(View x, float* sum);

    public abstract void Copy(View source, View target, float factor, bool accumulate);

    public abstract void EmbeddingBackward(int* ids, View outputGradient, float* tableGradient);

    public abstract void LayerNorm(View x, float* weight, float* bias, float epsilon, bool rootMeanSquare, float weightOffset, View output);

    public abstract void LayerNormBackward(
        View x, float* weight, float epsilon, bool rootMeanSquare, float weightOffset, View outputGradient, View xGradient, bool accumulate,
        float* weightGradient, float* biasGradient);

    /// <summary>a (operation) b of the same dimensions, or b a single row; false for anything else.</summary>
    public abstract bool Binary(BinaryOperation operation, View a, View b, View output);

    /// <summary>Of the same dimensions.</summary>
    public abstract void MultiplyBackward(View other, View outputGradient, View gradient, bool accumulate);

    public abstract void Activate(Activation activation, View x, View output);

    public abstract void ActivateBackward(Activation activation, View x, View outputGradient, View xGradient, bool accumulate);

    public abstract void SoftCap(float cap, View x, View output);

    public abstract void Gated(Activation activation, View gate, View up, View output);

    public abstract void GatedBackward(
        Activation activation, View gate, View up, View outputGradient, View gateGradient, bool accumulateGate, View upGradient,
        bool accumulateUp);

    public abstract void Softmax(View x, View output, bool logarithm);

    /// <summary>Turns pairs of features; turns holds the cosines and then the sines of every position.</summary>
    public abstract void Rotary(
        View x, float* turns, int pairs, int* positions, int headWidth, bool interleaved, bool inverse, View output, bool accumulate);

    public abstract void Dropout(View x, float probability, ulong key, View output, bool accumulate);

    /// <summary>The loss of each row, without smoothing and weights.</summary>
    public abstract void CrossEntropy(View logits, int* targets, int ignoreIndex, float* rowLosses);

    /// <summary>The gradient without smoothing and weights; row r's upstream gradient is upstream[r · upstreamStride] · factor.</summary>
    public abstract void CrossEntropyBackward(
        View logits, int* targets, int ignoreIndex, float* upstream, int upstreamStride, float factor, View gradient, bool accumulate);

    public abstract void Attention(ref AttentionArguments arguments);

    public abstract void AttentionBackward(ref AttentionArguments arguments);
}
