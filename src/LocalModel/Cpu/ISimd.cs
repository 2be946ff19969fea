namespace Kotonoha.LocalModel.Cpu;

/// <summary>What kernels need of a vector of float32, so that each kernel is written once for every vector width.</summary>
/// <typeparam name="V">The vector.</typeparam>
internal unsafe interface ISimd<V>
    where V : struct
{
    /// <summary>The elements of a vector.</summary>
    static abstract int Count { get; }

    /// <summary>The vectors side by side in a panel of a matrix product: as many as the registers allow with six rows.</summary>
    static abstract int PanelVectors { get; }

    static abstract string Name { get; }

    static abstract V Zero { get; }

    static abstract V Create(float value);

    static abstract V Load(float* address);

    static abstract void Store(V value, float* address);

    static abstract V Add(V a, V b);

    static abstract V Subtract(V a, V b);

    static abstract V Multiply(V a, V b);

    static abstract V Divide(V a, V b);

    /// <summary>a · b + c with one rounding.</summary>
    static abstract V Fma(V a, V b, V c);

    static abstract V Max(V a, V b);

    static abstract V Min(V a, V b);

    static abstract V Abs(V a);

    static abstract V Round(V a);

    /// <summary>2ⁿ for whole n from −126 to 127.</summary>
    static abstract V PowerOfTwo(V n);

    /// <summary>a &lt; b ? yes : no.</summary>
    static abstract V IfLess(V a, V b, V yes, V no);

    /// <summary>The magnitude of a with the sign of b.</summary>
    static abstract V CopySign(V a, V b);

    /// <summary>The sum of all elements, always in the same order.</summary>
    static abstract float Sum(V a);

    static abstract float Largest(V a);

    /// <summary>1 where the random bits of counter, counter + 1, … reach the threshold, otherwise 0.</summary>
    static abstract V Kept(ulong key, uint counter, uint threshold);

    /// <summary>target[c · targetStride + r] = source[r · sourceStride + c] for a square of Count.</summary>
    static abstract void Transpose(float* source, nint sourceStride, float* target, nint targetStride);

    /// <summary>As many bytes as a vector has elements, as numbers.</summary>
    static abstract V FromBytes(byte* address);

    /// <summary>The lower or upper halves of the elements' bits, read as bfloat16.</summary>
    static abstract V FromBFloats(V pairs, bool upper);

    /// <summary>The lower or upper halves of the elements' bits, read as numbers of half precision.</summary>
    static abstract V FromHalves(V pairs, bool upper);
}
