namespace Kotonoha.LocalModel.Tensors;

/// <summary>The memory of a matrix as a backend sees it: row r begins <c>r * Stride</c> elements after <see cref="Data"/>. The element type is the backend's.</summary>
internal readonly unsafe struct View
{
    public View(void* data, int rows, int columns, int stride)
    {
        Data = data;
        Rows = rows;
        Columns = columns;
        Stride = stride;
    }

    public void* Data { get; }

    public int Rows { get; }

    public int Columns { get; }

    public int Stride { get; }

    public bool Exists => Data is not null;

    public bool Dense => Stride == Columns || Rows <= 1;

    public long Length => (long)Rows * Columns;

    public float* Float => (float*)Data;
}
