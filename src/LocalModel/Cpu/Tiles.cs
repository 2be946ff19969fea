using System.Runtime.CompilerServices;

namespace Kotonoha.LocalModel.Cpu;

/// <summary>
/// The innermost loops of every matrix product: a tile of up to six rows by up to four vectors stays in registers while the inner dimension
/// passes by. Each element is one chain of fused multiply-adds from the first inner index to the last, whatever the tile it falls into.
/// </summary>
/// <remarks>
/// a[r · aRow + k · aInner] is broadcast; b[k · bInner …] is read as vectors, possibly past the last wanted column: memory handed out by
/// arenas and caches can be read for one vector past its end. Rows past the last are computed on the last one and not stored.
/// </remarks>
internal static unsafe class Tiles<S, V>
    where S : struct, ISimd<V>
    where V : struct
{
    /// <summary>The rows of a full tile.</summary>
    public const int Rows = 6;

    /// <summary>Computes a tile of any number of rows up to <see cref="Rows"/> and 1, 2 or 4 vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Run(
        int vectors, float* a, nint aRow, nint aInner, float* b, nint bInner, int inner, float* c, nint cRow, int rows, TileMode mode,
        float* start = null)
    {
        if (rows == 1)
        {
            if (vectors == 4)
                Tile1x4(a, aRow, aInner, b, bInner, inner, c, cRow, 1, mode, start);
            else if (vectors == 2)
                Tile1x2(a, aRow, aInner, b, bInner, inner, c, cRow, 1, mode, start);
            else
                Tile1x1(a, aRow, aInner, b, bInner, inner, c, cRow, 1, mode, start);
        }
        else if (vectors == 4)
        {
            Tile6x4(a, aRow, aInner, b, bInner, inner, c, cRow, rows, mode, start);
        }
        else if (vectors == 2)
        {
            Tile6x2(a, aRow, aInner, b, bInner, inner, c, cRow, rows, mode, start);
        }
        else
        {
            Tile6x1(a, aRow, aInner, b, bInner, inner, c, cRow, rows, mode, start);
        }
    }

    /// <summary>6 rows by 4 vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile6x4(
        float* a, nint aRow, nint aInner, float* b, nint bInner, int inner, float* c, nint cRow, int rows, TileMode mode, float* start)
    {
        nint a1 = Math.Min(1, rows - 1) * aRow;
        nint a2 = Math.Min(2, rows - 1) * aRow;
        nint a3 = Math.Min(3, rows - 1) * aRow;
        nint a4 = Math.Min(4, rows - 1) * aRow;
        nint a5 = Math.Min(5, rows - 1) * aRow;
        V c00 = S.Zero;
        V c01 = S.Zero;
        V c02 = S.Zero;
        V c03 = S.Zero;
        V c10 = S.Zero;
        V c11 = S.Zero;
        V c12 = S.Zero;
        V c13 = S.Zero;
        V c20 = S.Zero;
        V c21 = S.Zero;
        V c22 = S.Zero;
        V c23 = S.Zero;
        V c30 = S.Zero;
        V c31 = S.Zero;
        V c32 = S.Zero;
        V c33 = S.Zero;
        V c40 = S.Zero;
        V c41 = S.Zero;
        V c42 = S.Zero;
        V c43 = S.Zero;
        V c50 = S.Zero;
        V c51 = S.Zero;
        V c52 = S.Zero;
        V c53 = S.Zero;
        if (mode == TileMode.Continue)
        {
            c00 = S.Load(c);
            c01 = S.Load(c + S.Count);
            c02 = S.Load(c + 2 * S.Count);
            c03 = S.Load(c + 3 * S.Count);
            float* start1 = c + Math.Min(1, rows - 1) * cRow;
            c10 = S.Load(start1);
            c11 = S.Load(start1 + S.Count);
            c12 = S.Load(start1 + 2 * S.Count);
            c13 = S.Load(start1 + 3 * S.Count);
            float* start2 = c + Math.Min(2, rows - 1) * cRow;
            c20 = S.Load(start2);
            c21 = S.Load(start2 + S.Count);
            c22 = S.Load(start2 + 2 * S.Count);
            c23 = S.Load(start2 + 3 * S.Count);
            float* start3 = c + Math.Min(3, rows - 1) * cRow;
            c30 = S.Load(start3);
            c31 = S.Load(start3 + S.Count);
            c32 = S.Load(start3 + 2 * S.Count);
            c33 = S.Load(start3 + 3 * S.Count);
            float* start4 = c + Math.Min(4, rows - 1) * cRow;
            c40 = S.Load(start4);
            c41 = S.Load(start4 + S.Count);
            c42 = S.Load(start4 + 2 * S.Count);
            c43 = S.Load(start4 + 3 * S.Count);
            float* start5 = c + Math.Min(5, rows - 1) * cRow;
            c50 = S.Load(start5);
            c51 = S.Load(start5 + S.Count);
            c52 = S.Load(start5 + 2 * S.Count);
            c53 = S.Load(start5 + 3 * S.Count);
        }

        for (int k = 0; k < inner; k++)
        {
            V b0 = S.Load(b);
            V b1 = S.Load(b + S.Count);
            V b2 = S.Load(b + 2 * S.Count);
            V b3 = S.Load(b + 3 * S.Count);
            V x = S.Create(*a);
            c00 = S.Fma(x, b0, c00);
            c01 = S.Fma(x, b1, c01);
            c02 = S.Fma(x, b2, c02);
            c03 = S.Fma(x, b3, c03);
            x = S.Create(a[a1]);
            c10 = S.Fma(x, b0, c10);
            c11 = S.Fma(x, b1, c11);
            c12 = S.Fma(x, b2, c12);
            c13 = S.Fma(x, b3, c13);
            x = S.Create(a[a2]);
            c20 = S.Fma(x, b0, c20);
            c21 = S.Fma(x, b1, c21);
            c22 = S.Fma(x, b2, c22);
            c23 = S.Fma(x, b3, c23);
            x = S.Create(a[a3]);
            c30 = S.Fma(x, b0, c30);
            c31 = S.Fma(x, b1, c31);
            c32 = S.Fma(x, b2, c32);
            c33 = S.Fma(x, b3, c33);
            x = S.Create(a[a4]);
            c40 = S.Fma(x, b0, c40);
            c41 = S.Fma(x, b1, c41);
            c42 = S.Fma(x, b2, c42);
            c43 = S.Fma(x, b3, c43);
            x = S.Create(a[a5]);
            c50 = S.Fma(x, b0, c50);
            c51 = S.Fma(x, b1, c51);
            c52 = S.Fma(x, b2, c52);
            c53 = S.Fma(x, b3, c53);
            a += aInner;
            b += bInner;
        }

        if (mode == TileMode.Add)
        {
            AddTo4(c, c00, c01, c02, c03);
            if (rows > 1)
                AddTo4(c + 1 * cRow, c10, c11, c12, c13);
            if (rows > 2)
                AddTo4(c + 2 * cRow, c20, c21, c22, c23);
            if (rows > 3)
                AddTo4(c + 3 * cRow, c30, c31, c32, c33);
            if (rows > 4)
                AddTo4(c + 4 * cRow, c40, c41, c42, c43);
            if (rows > 5)
                AddTo4(c + 5 * cRow, c50, c51, c52, c53);
            return;
        }

        if (mode == TileMode.Start)
        {
            V s0 = S.Load(start);
            V s1 = S.Load(start + S.Count);
            V s2 = S.Load(start + 2 * S.Count);
            V s3 = S.Load(start + 3 * S.Count);
            c00 = S.Add(s0, c00);
            c01 = S.Add(s1, c01);
            c02 = S.Add(s2, c02);
            c03 = S.Add(s3, c03);
            c10 = S.Add(s0, c10);
            c11 = S.Add(s1, c11);
            c12 = S.Add(s2, c12);
            c13 = S.Add(s3, c13);
            c20 = S.Add(s0, c20);
            c21 = S.Add(s1, c21);
            c22 = S.Add(s2, c22);
            c23 = S.Add(s3, c23);
            c30 = S.Add(s0, c30);
            c31 = S.Add(s1, c31);
            c32 = S.Add(s2, c32);
            c33 = S.Add(s3, c33);
            c40 = S.Add(s0, c40);
            c41 = S.Add(s1, c41);
            c42 = S.Add(s2, c42);
            c43 = S.Add(s3, c43);
            c50 = S.Add(s0, c50);
            c51 = S.Add(s1, c51);
            c52 = S.Add(s2, c52);
            c53 = S.Add(s3, c53);
        }

        Put4(c, c00, c01, c02, c03);
        if (rows > 1)
            Put4(c + 1 * cRow, c10, c11, c12, c13);
        if (rows > 2)
            Put4(c + 2 * cRow, c20, c21, c22, c23);
        if (rows > 3)
            Put4(c + 3 * cRow, c30, c31, c32, c33);
        if (rows > 4)
            Put4(c + 4 * cRow, c40, c41, c42, c43);
        if (rows > 5)
            Put4(c + 5 * cRow, c50, c51, c52, c53);
    }

    /// <summary>6 rows by 2 vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile6x2(
        float* a, nint aRow, nint aInner, float* b, nint bInner, int inner, float* c, nint cRow, int rows, TileMode mode, float* start)
    {
        nint a1 = Math.Min(1, rows - 1) * aRow;
        nint a2 = Math.Min(2, rows - 1) * aRow;
        nint a3 = Math.Min(3, rows - 1) * aRow;
        nint a4 = Math.Min(4, rows - 1) * aRow;
        nint a5 = Math.Min(5, rows - 1) * aRow;
        V c00 = S.Zero;
        V c01 = S.Zero;
        V c10 = S.Zero;
        V c11 = S.Zero;
        V c20 = S.Zero;
        V c21 = S.Zero;
        V c30 = S.Zero;
        V c31 = S.Zero;
        V c40 = S.Zero;
        V c41 = S.Zero;
        V c50 = S.Zero;
        V c51 = S.Zero;
        if (mode == TileMode.Continue)
        {
            c00 = S.Load(c);
            c01 = S.Load(c + S.Count);
            float* start1 = c + Math.Min(1, rows - 1) * cRow;
            c10 = S.Load(start1);
            c11 = S.Load(start1 + S.Count);
            float* start2 = c + Math.Min(2, rows - 1) * cRow;
            c20 = S.Load(start2);
            c21 = S.Load(start2 + S.Count);
            float* start3 = c + Math.Min(3, rows - 1) * cRow;
            c30 = S.Load(start3);
            c31 = S.Load(start3 + S.Count);
            float* start4 = c + Math.Min(4, rows - 1) * cRow;
            c40 = S.Load(start4);
            c41 = S.Load(start4 + S.Count);
            float* start5 = c + Math.Min(5, rows - 1) * cRow;
            c50 = S.Load(start5);
            c51 = S.Load(start5 + S.Count);
        }

        for (int k = 0; k < inner; k++)
        {
            V b0 = S.Load(b);
            V b1 = S.Load(b + S.Count);
            V x = S.Create(*a);
            c00 = S.Fma(x, b0, c00);
            c01 = S.Fma(x, b1, c01);
            x = S.Create(a[a1]);
            c10 = S.Fma(x, b0, c10);
            c11 = S.Fma(x, b1, c11);
            x = S.Create(a[a2]);
            c20 = S.Fma(x, b0, c20);
            c21 = S.Fma(x, b1, c21);
            x = S.Create(a[a3]);
            c30 = S.Fma(x, b0, c30);
            c31 = S.Fma(x, b1, c31);
            x = S.Create(a[a4]);
            c40 = S.Fma(x, b0, c40);
            c41 = S.Fma(x, b1, c41);
            x = S.Create(a[a5]);
            c50 = S.Fma(x, b0, c50);
            c51 = S.Fma(x, b1, c51);
            a += aInner;
            b += bInner;
        }

        if (mode == TileMode.Add)
        {
            AddTo2(c, c00, c01);
            if (rows > 1)
                AddTo2(c + 1 * cRow, c10, c11);
            if (rows > 2)
                AddTo2(c + 2 * cRow, c20, c21);
            if (rows > 3)
                AddTo2(c + 3 * cRow, c30, c31);
            if (rows > 4)
                AddTo2(c + 4 * cRow, c40, c41);
            if (rows > 5)
                AddTo2(c + 5 * cRow, c50, c51);
            return;
        }

        if (mode == TileMode.Start)
        {
            V s0 = S.Load(start);
            V s1 = S.Load(start + S.Count);
            c00 = S.Add(s0, c00);
            c01 = S.Add(s1, c01);
            c10 = S.Add(s0, c10);
            c11 = S.Add(s1, c11);
            c20 = S.Add(s0, c20);
            c21 = S.Add(s1, c21);
            c30 = S.Add(s0, c30);
            c31 = S.Add(s1, c31);
            c40 = S.Add(s0, c40);
            c41 = S.Add(s1, c41);
            c50 = S.Add(s0, c50);
            c51 = S.Add(s1, c51);
        }

        Put2(c, c00, c01);
        if (rows > 1)
            Put2(c + 1 * cRow, c10, c11);
        if (rows > 2)
            Put2(c + 2 * cRow, c20, c21);
        if (rows > 3)
            Put2(c + 3 * cRow, c30, c31);
        if (rows > 4)
            Put2(c + 4 * cRow, c40, c41);
        if (rows > 5)
            Put2(c + 5 * cRow, c50, c51);
    }

    /// <summary>6 rows by 1 vector.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile6x1(
        float* a, nint aRow, nint aInner, float* b, nint bInner, int inner, float* c, nint cRow, int rows, TileMode mode, float* start)
    {
        nint a1 = Math.Min(1, rows - 1) * aRow;
        nint a2 = Math.Min(2, rows - 1) * aRow;
        nint a3 = Math.Min(3, rows - 1) * aRow;
        nint a4 = Math.Min(4, rows - 1) * aRow;
        nint a5 = Math.Min(5, rows - 1) * aRow;
        V c00 = S.Zero;
        V c10 = S.Zero;
        V c20 = S.Zero;
        V c30 = S.Zero;
        V c40 = S.Zero;
        V c50 = S.Zero;
        if (mode == TileMode.Continue)
        {
            c00 = S.Load(c);
            float* start1 = c + Math.Min(1, rows - 1) * cRow;
            c10 = S.Load(start1);
            float* start2 = c + Math.Min(2, rows - 1) * cRow;
            c20 = S.Load(start2);
            float* start3 = c + Math.Min(3, rows - 1) * cRow;
            c30 = S.Load(start3);
            float* start4 = c + Math.Min(4, rows - 1) * cRow;
            c40 = S.Load(start4);
            float* start5 = c + Math.Min(5, rows - 1) * cRow;
            c50 = S.Load(start5);
        }

        for (int k = 0; k < inner; k++)
        {
            V b0 = S.Load(b);
            V x = S.Create(*a);
            c00 = S.Fma(x, b0, c00);
            x = S.Create(a[a1]);
            c10 = S.Fma(x, b0, c10);
            x = S.Create(a[a2]);
            c20 = S.Fma(x, b0, c20);
            x = S.Create(a[a3]);
            c30 = S.Fma(x, b0, c30);
            x = S.Create(a[a4]);
            c40 = S.Fma(x, b0, c40);
            x = S.Create(a[a5]);
            c50 = S.Fma(x, b0, c50);
            a += aInner;
            b += bInner;
        }

        if (mode == TileMode.Add)
        {
            AddTo1(c, c00);
            if (rows > 1)
                AddTo1(c + 1 * cRow, c10);
            if (rows > 2)
                AddTo1(c + 2 * cRow, c20);
            if (rows > 3)
                AddTo1(c + 3 * cRow, c30);
            if (rows > 4)
                AddTo1(c + 4 * cRow, c40);
            if (rows > 5)
                AddTo1(c + 5 * cRow, c50);
            return;
        }

        if (mode == TileMode.Start)
        {
            V s0 = S.Load(start);
            c00 = S.Add(s0, c00);
            c10 = S.Add(s0, c10);
            c20 = S.Add(s0, c20);
            c30 = S.Add(s0, c30);
            c40 = S.Add(s0, c40);
            c50 = S.Add(s0, c50);
        }

        Put1(c, c00);
        if (rows > 1)
            Put1(c + 1 * cRow, c10);
        if (rows > 2)
            Put1(c + 2 * cRow, c20);
        if (rows > 3)
            Put1(c + 3 * cRow, c30);
        if (rows > 4)
            Put1(c + 4 * cRow, c40);
        if (rows > 5)
            Put1(c + 5 * cRow, c50);
    }

    /// <summary>1 rows by 4 vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile1x4(
        float* a, nint aRow, nint aInner, float* b, nint bInner, int inner, float* c, nint cRow, int rows, TileMode mode, float* start)
    {
        V c00 = S.Zero;
        V c01 = S.Zero;
        V c02 = S.Zero;
        V c03 = S.Zero;
        if (mode == TileMode.Continue)
        {
            c00 = S.Load(c);
            c01 = S.Load(c + S.Count);
            c02 = S.Load(c + 2 * S.Count);
            c03 = S.Load(c + 3 * S.Count);
        }

        for (int k = 0; k < inner; k++)
        {
            V b0 = S.Load(b);
            V b1 = S.Load(b + S.Count);
            V b2 = S.Load(b + 2 * S.Count);
            V b3 = S.Load(b + 3 * S.Count);
            V x = S.Create(*a);
            c00 = S.Fma(x, b0, c00);
            c01 = S.Fma(x, b1, c01);
            c02 = S.Fma(x, b2, c02);
            c03 = S.Fma(x, b3, c03);
            a += aInner;
            b += bInner;
        }

        if (mode == TileMode.Add)
        {
            AddTo4(c, c00, c01, c02, c03);
            return;
        }

        if (mode == TileMode.Start)
        {
            V s0 = S.Load(start);
            V s1 = S.Load(start + S.Count);
            V s2 = S.Load(start + 2 * S.Count);
            V s3 = S.Load(start + 3 * S.Count);
            c00 = S.Add(s0, c00);
            c01 = S.Add(s1, c01);
            c02 = S.Add(s2, c02);
            c03 = S.Add(s3, c03);
        }

        Put4(c, c00, c01, c02, c03);
    }

    /// <summary>1 rows by 2 vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile1x2(
        float* a, nint aRow, nint aInner, float* b, nint bInner, int inner, float* c, nint cRow, int rows, TileMode mode, float* start)
    {
        V c00 = S.Zero;
        V c01 = S.Zero;
        if (mode == TileMode.Continue)
        {
            c00 = S.Load(c);
            c01 = S.Load(c + S.Count);
        }

        for (int k = 0; k < inner; k++)
        {
            V b0 = S.Load(b);
            V b1 = S.Load(b + S.Count);
            V x = S.Create(*a);
            c00 = S.Fma(x, b0, c00);
            c01 = S.Fma(x, b1, c01);
            a += aInner;
            b += bInner;
        }

        if (mode == TileMode.Add)
        {
            AddTo2(c, c00, c01);
            return;
        }

        if (mode == TileMode.Start)
        {
            V s0 = S.Load(start);
            V s1 = S.Load(start + S.Count);
            c00 = S.Add(s0, c00);
            c01 = S.Add(s1, c01);
        }

        Put2(c, c00, c01);
    }

    /// <summary>1 rows by 1 vector.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile1x1(
        float* a, nint aRow, nint aInner, float* b, nint bInner, int inner, float* c, nint cRow, int rows, TileMode mode, float* start)
    {
        V c00 = S.Zero;
        if (mode == TileMode.Continue)
        {
            c00 = S.Load(c);
        }

        for (int k = 0; k < inner; k++)
        {
            V b0 = S.Load(b);
            V x = S.Create(*a);
            c00 = S.Fma(x, b0, c00);
            a += aInner;
            b += bInner;
        }

        if (mode == TileMode.Add)
        {
            AddTo1(c, c00);
            return;
        }

        if (mode == TileMode.Start)
        {
            V s0 = S.Load(start);
            c00 = S.Add(s0, c00);
        }

        Put1(c, c00);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put4(float* c, V v0, V v1, V v2, V v3)
    {
        S.Store(v0, c);
        S.Store(v1, c + S.Count);
        S.Store(v2, c + 2 * S.Count);
        S.Store(v3, c + 3 * S.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddTo4(float* c, V v0, V v1, V v2, V v3)
    {
        S.Store(S.Add(S.Load(c), v0), c);
        S.Store(S.Add(S.Load(c + S.Count), v1), c + S.Count);
        S.Store(S.Add(S.Load(c + 2 * S.Count), v2), c + 2 * S.Count);
        S.Store(S.Add(S.Load(c + 3 * S.Count), v3), c + 3 * S.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put2(float* c, V v0, V v1)
    {
        S.Store(v0, c);
        S.Store(v1, c + S.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddTo2(float* c, V v0, V v1)
    {
        S.Store(S.Add(S.Load(c), v0), c);
        S.Store(S.Add(S.Load(c + S.Count), v1), c + S.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put1(float* c, V v0)
    {
        S.Store(v0, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddTo1(float* c, V v0)
    {
        S.Store(S.Add(S.Load(c), v0), c);
    }
}
