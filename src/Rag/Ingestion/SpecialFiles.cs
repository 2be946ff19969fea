using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace Kotonoha.Rag.Ingestion;

/// <summary>Tells pipes, devices and sockets from files without opening them, since opening one may wait for ever.</summary>
/// <remarks>.NET shows them as files without a length. Linux is asked through <c>statx</c> and macOS through <c>lstat</c>, whose results
/// have the same layout on every processor.</remarks>
internal static partial class SpecialFiles
{
    private const int CurrentDirectory = -100;
    private const int NoFollow = 0x100;
    private const uint TypeOnly = 1;
    private const int LinuxModeOffset = 28;
    private const int MacModeOffset = 4;

    /// <summary>What an entry of a folder is, if it is no file; otherwise null.</summary>
    internal static string? KindOf(FileInfo entry)
    {
        if (OperatingSystem.IsWindows() || entry.Length > 0)
            return null;
        return (ModeOf(entry.FullName) & 0xF000) switch
        {
            0x1000 => "pipe",
            0x2000 or 0x6000 => "device",
            0xC000 => "socket",
            _ => null,
        };
    }

    private static int? ModeOf(string path)
    {
        var name = Encoding.UTF8.GetBytes(path + '\0');
        var result = new byte[512];
        try
        {
            if (OperatingSystem.IsLinux())
                return Statx(CurrentDirectory, name, NoFollow, TypeOnly, result) == 0
                    ? BinaryPrimitives.ReadUInt16LittleEndian(result.AsSpan(LinuxModeOffset)) : null;
            if (OperatingSystem.IsMacOS())
                return (RuntimeInformation.ProcessArchitecture == Architecture.X64 ? LStat64(name, result) : LStat(name, result)) == 0
                    ? BinaryPrimitives.ReadUInt16LittleEndian(result.AsSpan(MacModeOffset)) : null;
        }
        catch (Exception error) when (error is EntryPointNotFoundException or DllNotFoundException)
        {
            // A C library without the call: what is known of the entry is that it looks like an empty file.
        }

        return null;
    }

    [LibraryImport("libc", EntryPoint = "statx")]
    private static partial int Statx(int folder, byte[] path, int flags, uint mask, byte[] result);

    [LibraryImport("libc", EntryPoint = "lstat")]
    private static partial int LStat(byte[] path, byte[] result);

    [LibraryImport("libc", EntryPoint = "lstat$INODE64")]
    private static partial int LStat64(byte[] path, byte[] result);
}
