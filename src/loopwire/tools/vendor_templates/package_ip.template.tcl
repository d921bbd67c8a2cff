# Packages $top as IP with AXI4-Stream interfaces, in ip/: add this folder to a project's IP repositories.
#
#     vivado -mode batch -source package_ip.tcl

set here [file dirname [file normalize [info script]]]
set rtl [file join [file dirname $$here] rtl]
set sources {$sources
}
set memories {$memories
}

cd $$here
create_project -force ip_project [file join $$here ip_project] -part $part
add_files -norecurse [file join $$here ${top}_ip.v]
foreach name [concat $$sources $$memories] { add_files -norecurse [file join $$rtl $$name] }
foreach name $$memories { set_property file_type {Memory Initialization Files} [get_files $$name] }
set_property top ${top}_ip [current_fileset]
update_compile_order -fileset sources_1

ipx::package_project -root_dir [file join $$here ip] -vendor loopwire -library user -taxonomy /UserIP -import_files -force
set core [ipx::current_core]
set_property name $top $$core
set_property version 1.0 $$core
set_property display_name $top $$core
set_property description {$top, compiled by Loopwire} $$core
ipx::create_xgui_files $$core
ipx::update_checksums $$core
ipx::check_integrity $$core
ipx::save_core $$core
close_project
